//! The plant's people: they give orders, and give them again until they are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bulkhead::service::House;
use bulkhead::service::orders::OrderError;
use bulkhead_core::names::SubjectId;
use bulkhead_core::policy::model::Mode;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::event::{Event, Order};
use super::log::Log;
use super::policies::{OBSERVED, text};
use super::run::Life;

/// Where orders come from.
#[derive(Clone)]
pub(crate) struct Office {
    pub(crate) log: Arc<Log>,
    /// The gateway that is there now, if one is.
    pub(crate) life: Life,
    /// Orders under way.
    pub(crate) open: Arc<AtomicU32>,
}

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Done,
    /// For good: there is no such name, or the policy is broken.
    Refused,
    /// Not now.
    Failed,
}

impl Office {
    /// Gives `order` until it is answered; as people do.
    pub(crate) async fn give(self, id: u64, order: Order) {
        self.open.fetch_add(1, Ordering::Relaxed);
        let subject = self.subject(order);
        self.log.tell(Event::Ordered { id, order });
        for _ in 0..100 {
            let said = timeout(Duration::from_secs(8), self.once(order, subject.clone())).await.unwrap_or(Said::Failed);
            if said != Said::Failed {
                let subject = subject.clone();
                self.log.tell(Event::OrderAnswered { id, order, subject, done: said == Said::Done });
                break;
            }
            sleep(Duration::from_millis(400)).await;
        }
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// The name that the policy in force has for whom a revocation means.
    fn subject(&self, order: Order) -> Option<String> {
        let Order::Revoke { who } = order else { return None };
        let policy = self.log.lock().model.worlds.last().map_or(0, |(_, world)| world.policy);
        who.subject(policy).map(str::to_owned)
    }

    async fn once(&self, order: Order, subject: Option<String>) -> Said {
        let Some((gateway, tasks)) = self.life.get() else { return Said::Failed };
        let (answer, answered) = oneshot::channel();
        // As any task of the gateway: a crash ends it where it stands, and the office hears nothing.
        let run = tasks.clone();
        tasks.spawn(async move {
            let said = match carry_out(&gateway.house, &run, order, subject).await {
                Ok(()) => Said::Done,
                Err(OrderError::NotDurable { .. } | OrderError::NotKept(_)) => Said::Failed,
                Err(_) => Said::Refused,
            };
            // Nobody may be waiting any more.
            _ = answer.send(said);
        });
        answered.await.unwrap_or(Said::Failed)
    }
}

async fn carry_out(
    house: &House,
    tasks: &bulkhead::tasks::Tasks,
    order: Order,
    subject: Option<String>,
) -> Result<(), OrderError> {
    match order {
        Order::Revoke { .. } => {
            let subject = SubjectId::from(subject.unwrap_or_default());
            house.orders.revoke(&subject, "office").await.map(drop)
        }
        Order::Policy { number } => house.orders.activate(text(number), tasks).await.map(drop),
        Order::Mode { observe } => {
            let mode = if observe { Mode::Observe } else { Mode::Enforce };
            house.orders.set_mode(&OBSERVED.into(), mode, "office").await.map(drop)
        }
    }
}
