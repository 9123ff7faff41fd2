//! Load of the host and of the agent.
