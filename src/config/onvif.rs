//! Incidents as events of ONVIF.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is open, as property events of ONVIF over the same broker (`onvif-ej`), besides our own events and with the same guarantees.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnvifConfig {
    /// First levels of the topics, unique for the agent, as in `city/box-3`. The broker must let the agent publish below them.
    #[schemars(
        length(max = 128),
        regex(pattern = r"^[A-Za-z0-9_.:-]+(/[A-Za-z0-9_.:-]+)*$"),
        extend("x-allowed" = "levels of letters, digits, '_', '.', ':' and '-', with / between them")
    )]
    pub topic_prefix: String,
}
