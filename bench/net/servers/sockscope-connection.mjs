// What the stream servers of this library do with a connection. Settings:
//
// - timeout: milliseconds, of a timeout scope around every receive.
// - buffers: how many buffers a connection has. While one is filled, the others may be on their way
//   out.
// - recv: `recv` instead of `recvInto`, so that no connection holds memory while it waits.
import { countAnswer, RECEIVE_BYTES, unknownKind, work } from './server-process.mjs';

/** @typedef {import('sockscope').AsyncStreamTransport} Transport */

/** The load generator resets what is under way when its time is up. @param {unknown} error */
function ignoreReset(error) {
  if (!['ECONNRESET', 'EPIPE'].includes(/** @type {NodeJS.ErrnoException} */ (error).code ?? ''))
    throw error;
}

/**
 * @param {string} kind @param {Record<string, string>} options @param
 *   {import('sockscope').AsyncBackend} backend
 * @returns {(transport: Transport) => Promise<void>} Serves a connection to its end, and closes it.
 */
export function connectionHandler(kind, options, backend) {
  const busy = Number(options.work ?? 0);
  const timeout = Number(options.timeout ?? 0);
  const bufferCount = Number(options.buffers ?? 1);

  const receive =
    timeout > 0
      ? (/** @type {Transport} */ transport, /** @type {Uint8Array} */ buffer) =>
          backend.timeout(timeout).run(() => transport.recvInto(buffer))
      : (/** @type {Transport} */ transport, /** @type {Uint8Array} */ buffer) =>
          transport.recvInto(buffer);

  // Each handler is one async function to its end: another one around it would add memory to every
  // connection that is not this library's.

  /** @param {Transport} transport */
  async function echo(transport) {
    try {
      const buffer = Buffer.allocUnsafeSlow(RECEIVE_BYTES);
      for (let count; (count = await receive(transport, buffer)) > 0;) {
        work(busy);
        await transport.sendAll(buffer.subarray(0, count));
      }
    } catch (error) {
      ignoreReset(error);
    } finally {
      await transport.aclose();
    }
  }

  /** @param {Transport} transport */
  async function echoBuffered(transport) {
    try {
      const buffers = Array.from({ length: bufferCount }, () => ({
        memory: Buffer.allocUnsafeSlow(RECEIVE_BYTES),
        sent: Promise.resolve(),
      }));
      let last = Promise.resolve();
      for (let turn = 0; ; turn++) {
        const buffer = buffers[turn % bufferCount];
        await buffer.sent;
        const count = await receive(transport, buffer.memory);
        if (count === 0) break;
        const before = last;
        last = buffer.sent = (async () => {
          await before;
          await transport.sendAll(buffer.memory.subarray(0, count));
        })();
        // A failed send rejects where it is awaited. If a receive fails first, nothing awaits the
        // send.
        last.catch(() => undefined);
      }
      await last;
    } catch (error) {
      ignoreReset(error);
    } finally {
      await transport.aclose();
    }
  }

  /** @param {Transport} transport */
  async function echoReceived(transport) {
    try {
      for (let data; (data = await transport.recv(RECEIVE_BYTES)).length > 0;)
        await transport.sendAll(data);
    } catch (error) {
      ignoreReset(error);
    } finally {
      await transport.aclose();
    }
  }

  /** @param {Transport} transport */
  async function lines(transport) {
    try {
      const buffer = Buffer.allocUnsafeSlow(RECEIVE_BYTES);
      let have = 0;
      for (let count; (count = await transport.recvInto(buffer.subarray(have))) > 0;) {
        have += count;
        const whole = [];
        let begin = 0;
        const data = buffer.subarray(0, have);
        for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, begin)) {
          whole.push(data.subarray(begin, end + 1));
          begin = end + 1;
        }
        if (whole.length > 0) await transport.sendAllFromIterable(whole);
        buffer.copyWithin(0, begin, have);
        have -= begin;
      }
    } catch (error) {
      ignoreReset(error);
    } finally {
      await transport.aclose();
    }
  }

  /** @param {Transport} transport */
  async function sink(transport) {
    try {
      const buffer = Buffer.allocUnsafeSlow(RECEIVE_BYTES);
      let total = 0;
      for (let count; (count = await transport.recvInto(buffer)) > 0;) total += count;
      await transport.sendAll(countAnswer(total));
    } catch (error) {
      ignoreReset(error);
    } finally {
      await transport.aclose();
    }
  }

  function chooseEcho() {
    if (bufferCount > 1) return echoBuffered;
    return options.recv === undefined ? echo : echoReceived;
  }

  const handler = { echo: chooseEcho(), lines, sink }[kind];
  if (handler === undefined) throw unknownKind(kind);
  return handler;
}
