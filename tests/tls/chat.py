"""A WebSocket backend and the page that talks to it, in a browser: chat.py PORT LOG

The page says what became of it in its title. It is not loaded before that: an image of it is awaited until then, so that
`--dump-dom` needs no clock. What the backend saw of the ends goes to LOG, a line each.
"""

import asyncio
import http
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

# Longer than a browser may take for all of it; then the page is loaded, and says how far it came.
PATIENCE = 40

PAGE = """<!DOCTYPE html>
<title>begun</title>
<img id="waiting" src="/ws/never">
<script>
const url = `wss://${location.host}/ws/chat${location.search}`;
const large = new Uint8Array(1 << 20);
for (let at = 0; at < large.length; at += 65536) crypto.getRandomValues(large.subarray(at, at + 65536));
const said = ["grüße, \\u{1F408}", Uint8Array.of(0, 1, 127, 128, 255), large, "x".repeat(1 << 20)];

function alike(sent, got) {
  if (typeof sent === "string") return sent === got;
  got = new Uint8Array(got);
  return sent.length === got.length && sent.every((byte, at) => byte === got[at]);
}

// Sends each, awaits its echo, and ends it; resolves to how it ended.
function talk(end) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, ["chat.example"]);
    socket.binaryType = "arraybuffer";
    let at = 0;
    socket.onopen = () => {
      if (socket.protocol !== "chat.example") reject(`protocol ${socket.protocol}`);
      if (!socket.extensions.startsWith("permessage-deflate")) reject(`extensions ${socket.extensions}`);
      socket.send(said[0]);
    };
    socket.onmessage = (event) => {
      if (!alike(said[at], event.data)) return reject(`message ${at} came back otherwise`);
      at += 1;
      if (at < said.length) socket.send(said[at]);
      else end(socket);
    };
    socket.onclose = (event) => {
      if (at < said.length) reject(`closed after ${at} messages: ${event.code}`);
      resolve(`${event.code} ${event.reason} ${event.wasClean ? "clean" : "cut"}`);
    };
  });
}

(async () => {
  document.title = "talking";
  const own = await talk((socket) => socket.close(3001, "enough"));
  const its = await talk((socket) => socket.send("end it"));
  return `${own}, ${its}`;
})().catch((error) => `failed: ${error}`).then((outcome) => {
  document.title = outcome;
  document.getElementById("waiting").src = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=";
});
</script>
"""


async def answered(connection, request):
    """The page, the image that does not come; `None`: a WebSocket."""
    path = request.path.partition("?")[0]
    if path == "/ws/page":
        response = connection.respond(http.HTTPStatus.OK, PAGE)
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "text/html; charset=utf-8"
        return response
    if path == "/ws/never":
        await asyncio.sleep(PATIENCE)
        return connection.respond(http.HTTPStatus.NOT_FOUND, "")
    return None


async def chat(connection):
    """Sends back what comes; a certain word ends it."""
    try:
        async for message in connection:
            if message == "end it":
                await connection.close(4002, "as you wish")
                break
            await connection.send(message)
    except ConnectionClosed:
        pass
    query = connection.request.path.partition("?")[2]
    with open(sys.argv[2], "a", encoding="utf-8") as log:
        print(query, connection.close_code, connection.close_reason, file=log)


async def main():
    async with serve(
        chat,
        "127.0.0.1",
        int(sys.argv[1]),
        subprotocols=["chat.example"],
        process_request=answered,
        open_timeout=2 * PATIENCE,
        max_size=2 << 20,
    ) as server:
        await server.serve_forever()


asyncio.run(main())
