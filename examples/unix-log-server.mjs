// A log server like syslogd: `node unix-log-server.mjs PATH`. It receives "<priority>text" and the
// sender's pid on a Unix datagram socket, which Node.js itself does not have. To send, run
// `logger --socket PATH hello`, or `echo '<14>hello' | socat - UNIX-SENDTO:PATH`.
import { ancillaryBufferSize, constants, newBuiltinBackend, SocketAttribute } from 'sockscope';

const SEVERITIES = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'];
const backend = newBuiltinBackend('native');
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stop.abort());

/** @param {Uint8Array} data @param {number | undefined} pid */
function log(data, pid) {
  const [, priority = '13', text = ''] =
    /^(?:<(\d{1,3})>)?(.*)/s.exec(Buffer.from(data).toString()) ?? [];
  console.log(`${SEVERITIES[Number(priority) % 8]} from process ${pid ?? '?'}: ${text.trimEnd()}`);
}

await backend.bootstrap(() =>
  backend.openCancelScope({ signal: stop.signal }).run(async () => {
    const listener = await backend.createUnixDatagramListener(process.argv[2], { mode: 0o666 });
    try {
      // With this option the kernel adds a control message with the sender's pid, uid and gid.
      listener
        .extra(SocketAttribute.socket)
        .setsockopt(constants.SOL_SOCKET, constants.SO_PASSCRED, true);
      console.log('ready');
      const size = ancillaryBufferSize(0, true);
      await listener.serveWithAncillary(
        (data, ancillary) => log(data, ancillary?.credentials?.pid),
        size,
      );
    } finally {
      await listener.aclose(); // removes the socket file
    }
  }),
);
