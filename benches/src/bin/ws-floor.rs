//! The floor of the gateway: what any WebSocket server on tokio costs at least.
//!
//! One small task per connection, one read buffer per thread, nothing checked: it accepts every handshake with the
//! answer to the nonce that `ws-load` sends, and returns each text frame. Prints its address; ends with its input.

use std::cell::RefCell;
use std::io::{Error, ErrorKind, Read, Result};

use tokio::net::{TcpListener, TcpStream};

const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const TEXT: u8 = 0x81;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 * 1024]);
}

fn main() -> Result<()> {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_io().build()?;
    runtime.block_on(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        println!("{}", listener.local_addr()?);
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(serve(stream));
        }
    })
}

async fn serve(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut is_open = false;
    loop {
        stream.readable().await?;
        match BUFFER.with_borrow_mut(|buffer| answer(&stream, buffer, &mut is_open)) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            outcome => outcome?,
        }
    }
}

/// Whatever is read at once is whole requests or whole frames: a client has one frame in flight.
fn answer(stream: &TcpStream, buffer: &mut [u8], is_open: &mut bool) -> Result<()> {
    let read = stream.try_read(buffer)?;
    if read == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    if !std::mem::replace(is_open, true) {
        return write(stream, SWITCHING);
    }
    let mut rest = &mut buffer[..read];
    while let [first, second, masked @ ..] = rest {
        let (answered, length) = (*first, usize::from(*second & 0x7f));
        if length > 125 || masked.len() < 4 + length || !matches!(answered, TEXT | PING) {
            return Err(Error::other("the floor only knows short, whole frames"));
        }
        let mask = [masked[0], masked[1], masked[2], masked[3]];
        let (frame, next) = rest.split_at_mut(6 + length);
        for (at, byte) in frame[6..].iter_mut().enumerate() {
            *byte ^= mask[at % 4];
        }
        frame[4] = if answered == PING { PONG } else { TEXT };
        frame[5] = frame[1] & 0x7f;
        write(stream, &frame[4..])?;
        rest = next;
    }
    Ok(())
}

fn write(stream: &TcpStream, bytes: &[u8]) -> Result<()> {
    if stream.try_write(bytes)? == bytes.len() { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
}
