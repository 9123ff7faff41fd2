//! The topics of the contract, below `{prefix}/v1/{site}/{agent}/`: built for the agent, read by the hub.

use super::command::Verb;
use crate::config::RuleKind;
use crate::ids::Name;
use uuid::Uuid;

/// Builds the topics of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    base: String,
}

impl Topics {
    /// Topics below `{prefix}/v1/{site}/{agent}/`.
    #[must_use]
    pub fn new(prefix: &Name, site: &Name, agent: &Name) -> Self {
        Self { base: format!("{prefix}/v1/{site}/{agent}") }
    }

    /// State of the agent; retained, and the will's topic.
    #[must_use]
    pub fn status(&self) -> String {
        format!("{}/status", self.base)
    }
    /// What the agent is; retained.
    #[must_use]
    pub fn birth(&self) -> String {
        format!("{}/birth", self.base)
    }
    /// Sign of life.
    #[must_use]
    pub fn heartbeat(&self) -> String {
        format!("{}/heartbeat", self.base)
    }
    /// Load and latencies; retained.
    #[must_use]
    pub fn health(&self) -> String {
        format!("{}/health", self.base)
    }
    /// State of a camera; retained.
    #[must_use]
    pub fn camera_status(&self, camera: &Name) -> String {
        format!("{}/camera/{camera}/status", self.base)
    }
    /// Picture health of a camera; retained.
    #[must_use]
    pub fn camera_image(&self, camera: &Name) -> String {
        format!("{}/camera/{camera}/image", self.base)
    }
    /// Incident events of a camera and a kind.
    #[must_use]
    pub fn event(&self, camera: &Name, kind: RuleKind) -> String {
        format!("{}/camera/{camera}/event/{}", self.base, kind.as_str())
    }
    /// What is open now under a rule; retained.
    #[must_use]
    pub fn active(&self, camera: &Name, rule: &Name) -> String {
        format!("{}/camera/{camera}/active/{rule}", self.base)
    }
    /// A picture.
    #[must_use]
    pub fn evidence(&self, incident: Uuid, evidence: Uuid) -> String {
        format!("{}/{}", self.base, Self::evidence_ref(incident, evidence))
    }
    /// The topic of a picture below the agent's own, as the event refers to it.
    #[must_use]
    pub fn evidence_ref(incident: Uuid, evidence: Uuid) -> String {
        format!("evidence/{incident}/{evidence}")
    }

    /// Events that were dropped; retained.
    #[must_use]
    pub fn events_lost(&self) -> String {
        format!("{}/events_lost", self.base)
    }
    /// A picture that the hub asked for and that belongs to no incident.
    #[must_use]
    pub fn snapshot(&self, evidence: Uuid) -> String {
        format!("{}/{}", self.base, Self::snapshot_ref(evidence))
    }
    /// The topic of such a picture below the agent's own.
    #[must_use]
    pub fn snapshot_ref(evidence: Uuid) -> String {
        format!("evidence/snapshot/{evidence}")
    }
    /// A command of the hub.
    #[must_use]
    pub fn command(&self, verb: Verb) -> String {
        format!("{}/cmd/{}", self.base, verb.as_str())
    }
    /// The course of a case.
    #[must_use]
    pub fn case(&self, incident: Uuid) -> String {
        format!("{}/case/{incident}", self.base)
    }
    /// The answers for a client of the hub.
    #[must_use]
    pub fn reply(&self, client: &Name) -> String {
        format!("{}/reply/{client}", self.base)
    }
    /// What the agent subscribes to: commands and cases.
    #[must_use]
    pub fn from_hub(&self) -> [String; 2] {
        [format!("{}/cmd/+", self.base), format!("{}/case/+", self.base)]
    }
    /// What is below the agent's own topics.
    #[must_use]
    pub fn below<'t>(&self, topic: &'t str) -> Option<&'t str> {
        topic.strip_prefix(&*self.base)?.strip_prefix('/')
    }

    /// The filter that matches the pictures of this agent.
    #[must_use]
    pub fn evidence_filter(&self) -> String {
        format!("{}/evidence/+/+", self.base)
    }

    /// The filter that matches every topic of every agent.
    #[must_use]
    pub fn filter(prefix: &Name) -> String {
        format!("{prefix}/v1/+/+/#")
    }
}

/// What a topic says about the message below it, without site and agent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the levels of the topic")]
pub enum Topic {
    /// State of the agent.
    Status,
    /// What the agent is.
    Birth,
    /// Sign of life.
    Heartbeat,
    /// Load and latencies.
    Health,
    /// State of a camera.
    CameraStatus { camera: Name },
    /// Picture health of a camera.
    CameraImage { camera: Name },
    /// An incident event.
    Event { camera: Name, matter: String },
    /// What is open now.
    Active { camera: Name, rule: Name },
    /// A picture.
    Evidence { incident: Uuid, evidence: Uuid },
    /// A picture that belongs to no incident.
    Snapshot { evidence: Uuid },
    /// Events that were dropped.
    EventsLost,
    /// A command of the hub; none if there is no such verb.
    Command { verb: Option<Verb> },
    /// The course of a case.
    Case { incident: Uuid },
    /// The answer to a command.
    Reply { client: Name },
}

impl Topic {
    /// Takes a topic apart: (site, agent, what). None for a topic that is not of the contract.
    #[must_use]
    pub fn parse(prefix: &Name, topic: &str) -> Option<(Name, Name, Self)> {
        let below = topic.strip_prefix(prefix.as_str())?.strip_prefix("/v1/")?;
        let levels: Vec<&str> = below.split('/').collect();
        let name = |text: &str| Name::try_new(text).ok();
        let (&[site, agent], rest) = levels.split_first_chunk::<2>()?;
        let what = match *rest {
            ["status"] => Self::Status,
            ["birth"] => Self::Birth,
            ["heartbeat"] => Self::Heartbeat,
            ["health"] => Self::Health,
            ["camera", camera, "status"] => Self::CameraStatus { camera: name(camera)? },
            ["camera", camera, "image"] => Self::CameraImage { camera: name(camera)? },
            ["camera", camera, "event", matter] => Self::Event { camera: name(camera)?, matter: matter.to_owned() },
            ["camera", camera, "active", rule] => Self::Active { camera: name(camera)?, rule: name(rule)? },
            ["events_lost"] => Self::EventsLost,
            ["cmd", verb] => Self::Command { verb: Verb::of_name(verb) },
            ["case", incident] => Self::Case { incident: incident.parse().ok()? },
            ["reply", client] => Self::Reply { client: name(client)? },
            ["evidence", "snapshot", evidence] => Self::Snapshot { evidence: evidence.parse().ok()? },
            ["evidence", incident, evidence] => {
                Self::Evidence { incident: incident.parse().ok()?, evidence: evidence.parse().ok()? }
            }
            _ => return None,
        };
        Some((name(site)?, name(agent)?, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::try_new(text).unwrap()
    }

    #[test]
    fn what_the_agent_builds_the_hub_reads() {
        let topics = Topics::new(&name("curbwatch"), &name("yuhang"), &name("box-3"));
        let (camera, rule) = (name("east"), name("vending"));
        let (incident, evidence) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let cases = [
            (topics.status(), Topic::Status),
            (topics.birth(), Topic::Birth),
            (topics.heartbeat(), Topic::Heartbeat),
            (topics.health(), Topic::Health),
            (topics.camera_status(&camera), Topic::CameraStatus { camera: camera.clone() }),
            (topics.camera_image(&camera), Topic::CameraImage { camera: camera.clone() }),
            (
                topics.event(&camera, RuleKind::StreetVending),
                Topic::Event { camera: camera.clone(), matter: "street_vending".into() },
            ),
            (topics.active(&camera, &rule), Topic::Active { camera: camera.clone(), rule: rule.clone() }),
            (topics.evidence(incident, evidence), Topic::Evidence { incident, evidence }),
            (topics.snapshot(evidence), Topic::Snapshot { evidence }),
            (topics.events_lost(), Topic::EventsLost),
            (topics.command(Verb::Replay), Topic::Command { verb: Some(Verb::Replay) }),
            (topics.case(incident), Topic::Case { incident }),
            (topics.reply(&rule), Topic::Reply { client: rule.clone() }),
        ];
        for (topic, what) in cases {
            assert_eq!(
                Topic::parse(&name("curbwatch"), &topic),
                Some((name("yuhang"), name("box-3"), what)),
                "{topic}"
            );
        }
    }

    #[test]
    fn foreign_topics_are_not_of_the_contract() {
        for topic in ["curbwatch/v1/a/b", "curbwatch/v2/a/b/status", "other/v1/a/b/status", "curbwatch/v1/a/b/what", ""]
        {
            assert_eq!(Topic::parse(&name("curbwatch"), topic), None, "{topic}");
        }
    }
}
