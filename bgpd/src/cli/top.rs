// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl top`: neighbours, rates, tables and the kernel, again and again.

mod screen;
mod state;

use std::{
    io,
    time::{Duration, Instant},
};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

pub(super) use self::state::Row;
pub use self::state::{Press, Snapshot, Top};
use super::{Client, Failure, Printer, arguments::TopArgs, json};

pub(super) async fn command(
    arguments: &TopArgs,
    client: &mut Client,
    print: &mut Printer<'_>,
) -> Result<(), Failure> {
    if print.json {
        return lines(arguments, client, print).await;
    }
    if print.columns.is_none() {
        return Err(Failure::Usage(
            "`top` needs a terminal; `--json top` prints a line each time".to_owned(),
        ));
    }
    // Also what panics leaves the terminal as it was: a hook sees to that.
    let mut terminal = ratatui::try_init()?;
    let shown = show(arguments, client, &mut terminal, print.paint.0).await;
    let restored = ratatui::try_restore();
    shown?;
    Ok(restored?)
}

/// A snapshot with rates, a line each.
async fn lines(
    arguments: &TopArgs,
    client: &mut Client,
    print: &mut Printer<'_>,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut clock = ticks(arguments);
    let mut top = Top::default();
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while left > 0 {
        clock.tick().await;
        top.update(snapshot(client, begun).await?);
        json::line(print.out, &json::TopView::from(&top))?;
        left -= 1;
    }
    Ok(())
}

async fn show(
    arguments: &TopArgs,
    client: &mut Client,
    terminal: &mut ratatui::DefaultTerminal,
    paint: bool,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut clock = ticks(arguments);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut keys = keys();
    let mut top = Top::default();
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while !top.is_over && left > 0 {
        let page = screen::page(terminal.size()?.height);
        tokio::select! {
            _ = terminate.recv() => break,
            _ = hangup.recv() => break,
            event = keys.recv() => match event {
                Some(Event::Key(key)) => press(&mut top, key, page),
                Some(_) => {}
                None => break,
            },
            _ = clock.tick() => {
                match snapshot(client, begun).await {
                    Ok(snapshot) => top.update(snapshot),
                    // The daemon may come back.
                    Err(failure) => top.problem = Some(failure.to_string()),
                }
                left -= 1;
            }
        }
        terminal.draw(|frame| top.draw(frame, paint))?;
    }
    Ok(())
}

fn ticks(arguments: &TopArgs) -> tokio::time::Interval {
    let mut clock = interval(Duration::from_secs_f64(arguments.interval.max(0.1)));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    clock
}

async fn snapshot(client: &mut Client, begun: Instant) -> Result<Snapshot, Failure> {
    let status = client.status().await?;
    Ok(Snapshot {
        status,
        peers: client.peers(None).await?,
        at: begun.elapsed(),
    })
}

/// What is typed, read by a thread of its own; it ends with the program, or when nobody listens.
fn keys() -> mpsc::Receiver<Event> {
    const PATIENCE: Duration = Duration::from_millis(100);
    let (sender, receiver) = mpsc::channel(64);
    let read =
        || -> io::Result<Option<Event>> { event::poll(PATIENCE)?.then(event::read).transpose() };
    std::thread::spawn(move || {
        while !sender.is_closed() {
            match read() {
                Ok(Some(event)) => {
                    if sender.blocking_send(event).is_err() {
                        break;
                    }
                }
                Ok(None) => {}
                Err(_) => break,
            }
        }
    });
    receiver
}

fn press(top: &mut Top, key: KeyEvent, page: usize) {
    if key.kind == KeyEventKind::Release {
        return;
    }
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    let key = match key.code {
        KeyCode::Char('c') if is_control => {
            top.is_over = true;
            return;
        }
        KeyCode::Char(letter) => Press::Letter(letter),
        KeyCode::Backspace => Press::Erase,
        KeyCode::Enter => Press::Enter,
        KeyCode::Esc => Press::Escape,
        KeyCode::Up => Press::Up,
        KeyCode::Down => Press::Down,
        KeyCode::PageUp => Press::PageUp,
        KeyCode::PageDown => Press::PageDown,
        _ => return,
    };
    top.press(key, page);
}
