//! What a producer learns: who gets the event, and who does not and why.

use std::collections::BTreeMap;

use larkspur_platform::{Gate, Plan, Refusal, Subject, check};
use larkspur_store::{App, DeliveryId, Mode};
use larkspur_wire::{AppId, EventId, EventType};

/// What became of a published event.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its id, given or minted.
    pub event_id: EventId,
    /// Its type.
    pub event_type: EventType,
    /// Whether the same event had been accepted before, so that nothing new was made.
    pub repeated: bool,
    /// One per app that gets it.
    pub deliveries: Vec<PublishedDelivery>,
    /// How many apps each gate refused; every gate is there.
    pub refused: BTreeMap<Gate, u32>,
    /// Every app with its verdict, when that was asked for.
    pub explanations: Option<Vec<Explanation>>,
    /// What could not be checked because it is not documented.
    pub warnings: Vec<String>,
}

/// One delivery that a publish made.
#[derive(Clone, Debug)]
pub struct PublishedDelivery {
    /// Its id.
    pub delivery_id: DeliveryId,
    /// The app it goes to.
    pub app_id: AppId,
    /// How it is pushed.
    pub mode: Mode,
    /// The app's live persistent connections.
    pub online: usize,
}

/// Whether one app gets an event, and why not.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The app.
    pub app_id: AppId,
    /// Its name.
    pub app_name: String,
    /// What the gates said.
    pub verdict: ExplainedVerdict,
}

/// What the gates said of one app.
#[derive(Clone, Debug)]
pub enum ExplainedVerdict {
    /// It gets the event, without these fields.
    Delivered {
        /// Paths of the fields it may not see.
        withheld: Vec<String>,
    },
    /// It does not.
    Refused(Refusal),
}

pub(super) fn explanations(subject: &Subject<'_>, plan: &Plan) -> Vec<Explanation> {
    let explain = |app: &App, verdict| Explanation {
        app_id: app.id.clone(),
        app_name: app.name.clone(),
        verdict,
    };
    let delivered = plan.deliveries.iter().map(|planned| {
        let withheld = planned.withheld.clone();
        explain(&planned.app, ExplainedVerdict::Delivered { withheld })
    });
    let refused = plan.refused.iter().filter_map(|(app, _)| {
        let refusal = check(subject, app).err()?;
        Some(explain(app, ExplainedVerdict::Refused(refusal)))
    });
    let mut all: Vec<_> = delivered.chain(refused).collect();
    all.sort_by(|a, b| a.app_id.cmp(&b.app_id));
    all
}
