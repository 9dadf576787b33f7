//! The ports: what the platform asks of a store, in batches.

use async_trait::async_trait;
use larkspur_wire::{AppId, EventId, TimestampMs};

use crate::{
    Accepted, ApiToken, App, Attempt, AttemptFeed, AttemptQuery, Backlog, Binding, BindingKey, Claimed, Delivery,
    DeliveryId, DeliveryQuery, Depth, EventQuery, EventRow, NewEvent, Page, ResourceSubscription, Settlement,
    StoreError, Trim, Trimmed, Upkeep, Want,
};

/// No page and no claim has more rows; asking for more gives as many.
pub const LIMIT_MAX: u32 = 1_000;

/// A claim ends when its payloads have this many bytes together, so that memory is bounded whatever is stored.
pub const CLAIM_BYTES_MAX: usize = 16 << 20;

/// Who may receive: apps, bindings, resource subscriptions, API tokens.
#[async_trait]
pub trait Registry: Send + Sync {
    /// All apps, in order of id.
    async fn apps(&self) -> Result<Vec<App>, StoreError>;
    /// Writes an app, new or changed.
    async fn save_app(&self, app: &App) -> Result<(), StoreError>;
    /// Removes an app with its bindings and resource subscriptions; its deliveries stay in the log and the pending
    /// ones become dead. Answers whether it existed.
    async fn delete_app(&self, id: &AppId) -> Result<bool, StoreError>;

    /// The app that a thing is bound to.
    async fn binding(&self, key: &BindingKey) -> Result<Option<AppId>, StoreError>;
    /// Bindings in order of key, those after `after`, at most `limit`, which goes to [`LIMIT_MAX`] and the one more that
    /// tells whether there is a next page.
    async fn bindings(&self, after: Option<&BindingKey>, limit: u32) -> Result<Vec<Binding>, StoreError>;
    /// Binds a thing to an app, replacing what it was bound to.
    async fn save_binding(&self, binding: &Binding) -> Result<(), StoreError>;
    /// Removes a binding. Answers whether it existed.
    async fn delete_binding(&self, key: &BindingKey) -> Result<bool, StoreError>;

    /// All resource subscriptions, in order.
    async fn resource_subscriptions(&self) -> Result<Vec<ResourceSubscription>, StoreError>;
    /// Adds a resource subscription; adding it again changes nothing.
    async fn save_resource_subscription(&self, row: &ResourceSubscription) -> Result<(), StoreError>;
    /// Removes a resource subscription. Answers whether it existed.
    async fn delete_resource_subscription(&self, row: &ResourceSubscription) -> Result<bool, StoreError>;

    /// All API tokens, in order of name.
    async fn tokens(&self) -> Result<Vec<ApiToken>, StoreError>;
    /// Adds a token, or replaces the one of that name. Two tokens never share a digest.
    async fn save_token(&self, token: &ApiToken) -> Result<(), StoreError>;
    /// Removes a token by name. Answers whether it existed.
    async fn delete_token(&self, name: &str) -> Result<bool, StoreError>;
}

/// What is to be pushed.
#[async_trait]
pub trait DeliveryQueue: Send + Sync {
    /// Stores events with their deliveries and bindings, durably: when this returns, they survive a crash.
    ///
    /// Answers in the order asked. One event's conflict never fails another; an error means that nothing of the batch was
    /// stored. Only this verb is refused as [`Busy`](StoreError::Busy) when more is published than the store can write.
    async fn accept(&self, events: Vec<NewEvent>) -> Result<Vec<Accepted>, StoreError>;
    /// Ends leases and logs their attempts.
    ///
    /// A lease can be settled until another one is given, also after it ran out. A stale generation changes no state.
    /// Settling one for good that was made in order makes the next of its app and key due.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), StoreError>;
    /// Leases pending deliveries whose due time or lease has passed, for each app as many as there is room for.
    ///
    /// Answers in the order asked. Once the payloads together have [`CLAIM_BYTES_MAX`], nothing more is leased.
    async fn claim(
        &self,
        wants: Vec<Want>,
        now: TimestampMs,
        lease_until: TimestampMs,
    ) -> Result<Vec<Claimed>, StoreError>;
    /// Makes deliveries due at a time, whatever became of them; those under a lease stay as they are. Answers how many.
    ///
    /// Their attempts go on counting, and what was leased before can no longer be settled.
    async fn resend(&self, ids: Vec<DeliveryId>, due_at: TimestampMs) -> Result<u64, StoreError>;
    /// The same, but what has been delivered meanwhile stays delivered.
    async fn resend_undelivered(&self, ids: Vec<DeliveryId>, due_at: TimestampMs) -> Result<u64, StoreError>;
    /// Every app that something is pending for, in order of id.
    async fn backlog(&self) -> Result<Vec<Backlog>, StoreError>;
    /// Makes every leased delivery due now; for the start of a node that owns the store alone.
    async fn release_leases(&self, now: TimestampMs) -> Result<u64, StoreError>;
    /// How much waits and how much was given up.
    async fn depth(&self) -> Result<Depth, StoreError>;
}

/// What happened.
#[async_trait]
pub trait Log: Send + Sync {
    /// One event.
    async fn event(&self, id: &EventId) -> Result<Option<EventRow>, StoreError>;
    /// Events, newest first.
    async fn events(&self, query: &EventQuery) -> Result<Page<EventRow>, StoreError>;
    /// One delivery.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError>;
    /// Deliveries, newest first unless asked otherwise.
    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Page<Delivery>, StoreError>;
    /// The last [`LIMIT_MAX`] attempts of one delivery, in order.
    async fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>, StoreError>;
    /// Attempts of all deliveries in the order they were written down, for who follows what happens.
    async fn attempt_feed(&self, query: &AttemptQuery) -> Result<AttemptFeed, StoreError>;
    /// Deletes some of what may leave the log, the oldest first, in one small commit.
    ///
    /// The ids of deleted events are free again: publishing one anew is a new event. Space is used again, and not given
    /// back to the file system.
    async fn trim(&self, trim: &Trim) -> Result<Trimmed, StoreError>;
}

/// Everything a backend offers.
pub trait Store: Registry + DeliveryQueue + Log + Upkeep + std::fmt::Debug {}

impl<T: Registry + DeliveryQueue + Log + Upkeep + std::fmt::Debug> Store for T {}
