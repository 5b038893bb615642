//! The PLCs: a read is answered with values that tell the register, a write is echoed, and they have moods.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bulkhead::net::{Network as _, Stream};
use bulkhead::tasks::Tasks;
use tokio::io::{AsyncWriteExt as _, WriteHalf, split};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::sleep;

use super::chance::Rng;
use super::event::Event;
use super::log::Log;
use super::modbus::{Ask, Frame};
use super::plan::Mood;
use super::policies::Plc;
use super::wire::Net;

/// A PLC as the driver sees it.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) plc: Plc,
    pub(crate) net: Net,
    pub(crate) log: Arc<Log>,
    pub(crate) tasks: Tasks,
    pub(crate) mood: Arc<Mutex<Mood>>,
    pub(crate) seed: u64,
}

type Output = Arc<AsyncMutex<WriteHalf<Stream>>>;

impl Device {
    /// Serves for ever.
    pub(crate) async fn serve(self) {
        let mut listener = self.net.listen(self.plc.socket()).await.unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            let device = self.clone();
            self.tasks.spawn(async move {
                let (mut input, output) = split(stream);
                let output = Arc::new(AsyncMutex::new(output));
                while let Ok(request) = Frame::read(&mut input).await {
                    if !device.answer(&request, &output) {
                        return;
                    }
                }
            });
        }
    }

    /// False when the connection is to be closed.
    fn answer(&self, request: &Frame, output: &Output) -> bool {
        // On a shared link it has another id than its master gave it.
        let id = self.log.lock().model.asked_as(self.plc, request);
        self.log.tell(Event::PlcGot { plc: self.plc, frame: Frame { id, ..request.clone() } });
        let mood = *self.mood.lock().unwrap();
        let mut rng = Rng::at(self.seed, self.plc.host(), self.log.now());
        let reply = |name, wait: u64| {
            let frame = Frame { id: name, unit: request.unit, pdu: Ask::of(&request.pdu).reply() };
            let id = if name == request.id { id } else { name };
            self.say(frame, id, wait, output);
        };
        match mood {
            Mood::Dead => {}
            Mood::Closing | Mood::Off => {
                self.log.tell(Event::PlcSaid { plc: self.plc, id });
                return false;
            }
            Mood::Well => reply(request.id, rng.range(1, 15)),
            Mood::Slow => reply(request.id, rng.range(200, 700)),
            Mood::Late => reply(request.id, rng.range(1_001, 2_500)),
            Mood::Shuffled => reply(request.id, rng.range(1, 400)),
            Mood::Twice => {
                reply(request.id, rng.range(1, 15));
                reply(request.id, rng.range(1, 30));
            }
            Mood::Foreign => {
                reply(request.id.wrapping_add(64), 1);
                reply(request.id.wrapping_sub(64), 1);
                reply(request.id, rng.range(2, 15));
            }
        }
        true
    }

    fn say(&self, frame: Frame, id: u16, wait: u64, output: &Output) {
        let (output, log, plc) = (Arc::clone(output), Arc::clone(&self.log), self.plc);
        self.tasks.spawn(async move {
            sleep(Duration::from_millis(wait)).await;
            log.tell(Event::PlcSaid { plc, id });
            drop(output.lock().await.write_all(&frame.bytes()).await);
        });
    }
}
