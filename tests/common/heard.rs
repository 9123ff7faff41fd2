//! What a hub has heard.

use curbwatch::contract::IncidentEvent;
use curbwatch::hub::{Content, HubMessage};

/// The events among messages, in their order.
pub fn events(heard: &[HubMessage]) -> Vec<&IncidentEvent> {
    let mut events = Vec::new();
    for message in heard {
        if let Content::Incident(event) = &message.content {
            events.push(event);
        }
    }
    events
}
