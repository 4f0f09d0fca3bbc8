// A WebSocket that connects again whenever its connection ends. For browsers and for Node.js, where `require` loads it; before
// version 22, Node.js has no WebSocket of its own and one has to be passed as an option.
//
//   const chat = reconnecting("wss://example.com/", event => {
//     if (event.type === "open") chat.send("hello");
//     if (event.type === "message") console.log(event.data);
//     if (event.type === "closed") console.log(event.reason, event.retryIn);
//   });
//
// event.type is "connecting", "open", "message" (with data) or "closed" (with code, reason, whether it was open, and the
// milliseconds to the next attempt). The first "connecting" comes before the call returns.
// chat.send(data) returns false while there is no connection; such data is not kept. chat.close() ends it for good.
//
// The delay doubles from attempt to attempt. A part of it is random, so that clients which lost their connections together do not
// come back together. It starts over after a connection that lasted longer than the delay.
function reconnecting(address, callback, { first = 500, longest = 30000, protocols = [], Socket = globalThis.WebSocket } = {}) {
  let socket, timer, delay = first, isOver = false;

  function connect() {
    clearTimeout(timer);
    let openedAt, hasEnded = false;
    callback({ type: "connecting" });
    socket = new Socket(address, protocols);
    socket.onopen = () => {
      openedAt = Date.now();
      callback({ type: "open" });
    };
    socket.onmessage = ({ data }) => callback({ type: "message", data });
    socket.onclose = ({ code, reason }) => {
      if (hasEnded) return;
      hasEnded = true;
      if (openedAt && Date.now() - openedAt > delay) delay = first;
      const retryIn = isOver ? undefined : Math.round(delay * (0.5 + Math.random() / 2));
      delay = Math.min(delay * 2, longest);
      if (!isOver) timer = setTimeout(connect, retryIn);
      callback({ type: "closed", code, reason, wasOpen: openedAt !== undefined, retryIn });
    };
    // Node.js 20 reports no close after an attempt that failed.
    socket.onerror = () => setTimeout(socket.onclose, 0, { code: 1006, reason: "" });
  }

  function isOpen() {
    return socket.readyState === Socket.OPEN;
  }

  // A laptop that wakes up, or a phone that has a network again, does not wait for the rest of the delay.
  function online() {
    if (!isOver && socket.readyState === Socket.CLOSED) connect();
  }

  globalThis.addEventListener?.("online", online);
  connect();
  return {
    isOpen,
    send(data) {
      if (isOpen()) socket.send(data);
      return isOpen();
    },
    close() {
      isOver = true;
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", online);
      socket.close();
    },
  };
}

if (typeof module === "object") module.exports = { reconnecting };
