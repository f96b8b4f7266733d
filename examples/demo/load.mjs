import { MESSAGE_BYTES } from './messages.mjs';

const CLIENTS = 32;
/** No echo takes this long on one machine: a client that waits longer has found a defect. */
const ECHO_TIMEOUT_MS = 5000;

/**
 * Keeps a server busy for `duration` ms: each client is a task, each echo is compared, each has a
 * timeout.
 */
export async function generateLoad(backend, kind, addresses, duration) {
  let roundTrips = 0;
  const clients = [];
  try {
    for (let i = 0; i < CLIENTS; i++) clients.push(await connect(backend, kind, addresses, i));
    const start = backend.currentTime();
    await backend.moveOnAfter(duration).run(() =>
      backend.createTaskGroup().run((group) => {
        for (const client of clients) {
          group.startSoon(async () => {
            for (;;) {
              await backend.timeout(ECHO_TIMEOUT_MS).run(client.roundTrip);
              roundTrips++;
            }
          });
        }
      }),
    );
    return { roundTrips, duration: backend.currentTime() - start };
  } finally {
    for (const { close } of clients) await close();
  }
}

async function connect(backend, kind, addresses, index) {
  const message = new Uint8Array(MESSAGE_BYTES).fill(index);
  switch (kind) {
    case 'tcp':
      return streamClient(
        await backend.createTcpConnection('127.0.0.1', addresses.tcp ?? 0),
        message,
      );
    case 'unix':
      return streamClient(await backend.createUnixStreamConnection(addresses.unix ?? ''), message);
    case 'udp':
      return datagramClient(
        await backend.createUdpEndpoint('127.0.0.1', addresses.udp ?? 0),
        message,
      );
    case 'unixgram':
      // '' lets the kernel choose a name, without which there would be no answer.
      return datagramClient(
        await backend.createUnixDatagramEndpoint(addresses.unixgram ?? '', { localPath: '' }),
        message,
      );
  }
}

function streamClient(transport, message) {
  const answer = new Uint8Array(message.length);
  return {
    close: () => transport.aclose(),
    roundTrip: async () => {
      await transport.sendAll(message);
      for (let got = 0; got < answer.length;) {
        const size = await transport.recvInto(answer.subarray(got));
        if (size === 0) throw new Error('the server ended the connection');
        got += size;
      }
      verify(answer, message);
    },
  };
}

function datagramClient(transport, message) {
  const answer = new Uint8Array(message.length);
  return {
    close: () => transport.aclose(),
    roundTrip: async () => {
      await transport.send(message);
      await transport.recvInto(answer);
      verify(answer, message);
    },
  };
}

function verify(answer, message) {
  if (Buffer.compare(answer, message) !== 0) throw new Error('an echo differs from what was sent');
}
