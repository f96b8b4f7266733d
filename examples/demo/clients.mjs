// The load: clients that send in rounds. A round sends one message on every connection, and then
// receives every echo. The server so finds many sockets ready at once, as a busy server does.
import { MESSAGE_BYTES } from './kinds.mjs';

export const CONNECTIONS = 50;
/** On one machine, an echo that takes longer than this never comes. */
const ROUND_TIMEOUT_MS = 5000;

/** @typedef {import('sockscope').AsyncBackend} AsyncBackend */
/** @typedef {import('./kinds.mjs').Kind} Kind */
/** @typedef {import('./kinds.mjs').Addresses} Addresses */
/** @typedef {{ send(): Promise<void>, receive(): Promise<void>, close(): Promise<void> }} Client */

/**
 * @param {AsyncBackend} backend @param {Kind} kind @param {Addresses} addresses
 * @returns {Promise<Client[]>} The caller closes them.
 */
export async function openClients(backend, kind, addresses) {
  const clients = [];
  try {
    while (clients.length < CONNECTIONS) clients.push(await connect[kind](backend, addresses));
    return clients;
  } catch (error) {
    await closeClients(clients);
    throw error;
  }
}

/** @param {readonly Client[]} clients */
export async function closeClients(clients) {
  for (const client of clients) await client.close();
}

/**
 * Runs whole rounds for `duration` ms.
 * @param {AsyncBackend} backend @param {readonly Client[]} clients @param {number} duration
 * @returns {Promise<number>} How many echoes came back. One that differs from its message is an
 *   error.
 */
export async function runRounds(backend, clients, duration) {
  const end = backend.currentTime() + duration;
  let echoes = 0;
  do {
    await backend.timeout(ROUND_TIMEOUT_MS).run(async () => {
      for (const client of clients) await client.send();
      for (const client of clients) await client.receive();
    });
    echoes += clients.length;
  } while (backend.currentTime() < end);
  return echoes;
}

/** @type {Record<Kind, (backend: AsyncBackend, addresses: Addresses) => Promise<Client>>} */
const connect = {
  tcp: async (backend, { tcp }) =>
    streamClient(await backend.createTcpConnection('127.0.0.1', tcp)),
  unix: async (backend, { unix }) => streamClient(await backend.createUnixStreamConnection(unix)),
  udp: async (backend, { udp }) =>
    datagramClient(await backend.createUdpEndpoint('127.0.0.1', udp)),
  // With '' the kernel chooses a name for the socket. A socket without a name gets no answer.
  unixgram: async (backend, { unixgram }) =>
    datagramClient(await backend.createUnixDatagramEndpoint(unixgram, { localPath: '' })),
};

/** @param {import('sockscope').AsyncStreamTransport} transport @returns {Client} */
function streamClient(transport) {
  const { message, echo } = buffers();
  return {
    send: () => transport.sendAll(message),
    receive: async () => {
      for (let got = 0; got < echo.length;) {
        const size = await transport.recvInto(echo.subarray(got));
        if (size === 0) throw new Error('the server ended the connection before its echo');
        got += size;
      }
      compare(echo, message);
    },
    close: () => transport.aclose(),
  };
}

/** @param {import('sockscope').AsyncDatagramTransport} transport @returns {Client} */
function datagramClient(transport) {
  const { message, echo } = buffers();
  return {
    send: () => transport.send(message),
    receive: async () => {
      await transport.recvInto(echo);
      compare(echo, message);
    },
    close: () => transport.aclose(),
  };
}

let clientCount = 0;

/** Each client sends bytes of its own, so that a mistaken echo is noticed. */
function buffers() {
  return {
    message: new Uint8Array(MESSAGE_BYTES).fill(++clientCount),
    echo: new Uint8Array(MESSAGE_BYTES),
  };
}

/** @param {Uint8Array} echo @param {Uint8Array} message */
function compare(echo, message) {
  if (Buffer.compare(echo, message) !== 0) throw new Error('an echo differs from its message');
}
