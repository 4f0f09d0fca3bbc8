//! The push sender and the store of a process, created when first used and kept between invocations.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::clock::Clock;
use crate::error::Result;
use crate::event::ConnectionId;
use crate::push::{Close, Message, PushError, PushSender, PushSettings, SendPushes};
use crate::store::{self, Store, StoreError, StoreSettings};

/// What the invocations of one process share.
pub(crate) struct Resources {
    push: Option<PushSettings>,
    sender: Option<Box<dyn SendPushes>>,
    settings: Option<Arc<StoreSettings>>,
    store: Option<Box<dyn Store>>,
    clock: Clock,
}

impl Resources {
    pub(crate) fn new(push: Option<PushSettings>, store: Option<StoreSettings>) -> Self {
        Self { push, sender: None, settings: store.map(Arc::new), store: None, clock: Clock::System }
    }

    /// For tests: with these in place of those that settings would create.
    pub(crate) fn of(sender: Box<dyn SendPushes>, store: Box<dyn Store>, clock: Clock) -> Self {
        let settings = Some(Arc::new(StoreSettings::for_tests()));
        Self { push: None, sender: Some(sender), settings, store: Some(store), clock }
    }

    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    pub(super) fn sender(&mut self) -> Result<&dyn SendPushes, PushError> {
        if self.sender.is_none() {
            let settings = self.push.as_ref().ok_or(PushError::NotConfigured)?;
            self.sender = Some(Box::new(PushSender::new(settings)));
        }
        self.sender.as_deref().ok_or(PushError::NotConfigured)
    }

    /// Whether the store, if there is one, is reached and takes what it is told: lists the room that `WS_ROOM` names.
    pub(crate) fn try_store(&mut self, deadline: Instant) -> Result<(), StoreError> {
        let Some(settings) = self.settings.clone() else { return Ok(()) };
        let listing = self.store()?.list(&settings.default_room, None, deadline)?;
        listing.not_renewed.map_or(Ok(()), Err)
    }

    /// Whether the push address, if there is one, is a gateway's: closes a connection that does not exist.
    pub(crate) fn try_push_address(&mut self, deadline: Instant) -> Result<()> {
        if self.push.is_none() {
            return Ok(());
        }
        let sender = self.sender()?;
        let report =
            sender.to_one(&ConnectionId::from("none"), &Message::closing(Close::default()), deadline);
        let report = report.into_result(sender.address())?;
        if report.failed() > 0 {
            Err(format!("the push address {} is not a gateway's: {report}", sender.address()))?;
        }
        Ok(())
    }

    /// The settings of the store, if there is one.
    pub(super) fn store_settings(&self) -> Option<&Arc<StoreSettings>> {
        self.settings.as_ref()
    }

    pub(super) fn store(&mut self) -> Result<&mut dyn Store, StoreError> {
        let settings = self.settings.as_ref().ok_or(StoreError::NotConfigured)?;
        Ok(self.store.get_or_insert_with(|| store::open(settings)).as_mut())
    }
}
