import type { UnixPath } from '../contract/addresses';
import type { AncillaryData } from '../contract/ancillary';
import assert from 'node:assert/strict';
import { closeSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import type { AsyncStreamTransport } from '../contract/transports';
import {
  BAD_RANGE,
  BAD_TYPE,
  BUSY,
  bytes,
  CANCELLED,
  CLOSED,
  endsQuietly,
  hasSettled,
  rejectsWith,
  text,
  until,
} from './expectations';
import { defineSuite, lacks, type Scenario } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';
import { localAddress } from './datagram-kinds';
import { UNIX_DATAGRAMS } from './unix-datagrams';

/** Room for some fds and their header, on every platform. */
const ROOM = 256;

/** Both ends belong to the backend, since node:net drops the fds that it receives. */
async function pair(scenario: Scenario): Promise<[AsyncStreamTransport, AsyncStreamTransport]> {
  const { backend } = scenario;
  const path = scenario.freshPath();
  const listener = scenario.own(await backend.createUnixStreamListener(path));
  const serving = backend.openCancelScope();
  const accepted: AsyncStreamTransport[] = [];
  const dialled = scenario.own(await backend.createUnixStreamConnection(path));
  await serving.run(() =>
    listener.serve((transport) => {
      accepted.push(scenario.own(transport));
      serving.cancel();
    }),
  );
  const [other] = accepted;
  assert.ok(other !== undefined);
  return [dialled, other];
}

/** An open file, and its text. */
function openFile(scenario: Scenario, content: string): number {
  const path = scenario.freshPath();
  writeFileSync(path, content);
  const fd = openSync(path, 'r');
  scenario.atEnd(() => {
    closeSync(fd);
  });
  return fd;
}

/** The only fd that came; closed with the scenario. */
function receivedFd(scenario: Scenario, { fds = [] }: AncillaryData): number {
  for (const fd of fds) scenario.atEnd(() => closeSync(fd));
  assert.equal(fds.length, 1);
  return fds[0] as number;
}

/**
 * Defines the tests of control messages over Unix streams and Unix datagrams. That a backend
 * without control messages refuses them is tested with the transports.
 */
export function testAncillaryData(runner: TestRunner, subject: ConformanceSubject): void {
  if (lacks(subject, 'ancillary data')) return;
  defineSuite(runner, subject, 'control messages on a Unix stream', (test) => {
    test('pass an fd with data: the receiver gets another fd of the same file, and the sender keeps its own', async (scenario) => {
      const [a, b] = await pair(scenario);
      const fd = openFile(scenario, 'of the file');
      await a.sendAllWithAncillary([bytes('he'), bytes('re')], { fds: [fd] });
      const { data, ancillary } = await b.recvWithAncillary(100, ROOM);
      assert.equal(text(data), 'here');
      const received = receivedFd(scenario, ancillary);
      assert.notEqual(received, fd);
      assert.equal(fstatSync(received).ino, fstatSync(fd).ino);
      assert.equal(readFileSync(received, 'latin1'), 'of the file');
      fstatSync(fd);
    });

    test('arrive with data in a buffer; plain data has none', async (scenario) => {
      const [a, b] = await pair(scenario);
      const buffer = new Uint8Array(8);
      await a.sendAllWithAncillary([bytes('with')], { fds: [openFile(scenario, '')] });
      const first = await b.recvWithAncillaryInto(buffer, ROOM);
      assert.equal(first.bytes, 4);
      receivedFd(scenario, first.ancillary);
      await a.sendAll(bytes('plain'));
      const second = await b.recvWithAncillaryInto(buffer, ROOM);
      assert.equal(text(buffer.subarray(0, second.bytes)), 'plain');
      assert.equal(second.ancillary.fds, undefined);
      await a.sendAllWithAncillary([bytes('none')], {});
      assert.deepEqual((await b.recvWithAncillary(100, ROOM)).ancillary.fds, undefined);
    });

    test('that do not fit are reported as truncated, and no fd stays open', async (scenario) => {
      const [a, b] = await pair(scenario);
      await a.sendAllWithAncillary([bytes('x')], { fds: [openFile(scenario, '')] });
      const { data, ancillary } = await b.recvWithAncillary(100, 0);
      assert.equal(text(data), 'x');
      assert.equal(ancillary.truncated, true);
      assert.deepEqual(ancillary.fds ?? [], []);
    });

    test('a receive that waits for them can be cancelled, and loses nothing', async (scenario) => {
      const { backend } = scenario;
      const [a, b] = await pair(scenario);
      const scope = backend.openCancelScope();
      const receiving = scope.run(() => b.recvWithAncillary(100, ROOM));
      assert.equal(await hasSettled(receiving), false);
      await rejectsWith(BUSY, () => b.recvWithAncillary(100, ROOM));
      scope.cancel();
      await endsQuietly(receiving);
      await a.sendAllWithAncillary([bytes('kept')], { fds: [openFile(scenario, '')] });
      await scenario.inCancelledScope(async () => {
        await rejectsWith(CANCELLED, () => b.recvWithAncillary(100, ROOM));
        await rejectsWith(CANCELLED, () => a.sendAllWithAncillary([bytes('never')], {}));
      });
      const { data, ancillary } = await b.recvWithAncillary(100, ROOM);
      assert.equal(text(data), 'kept');
      receivedFd(scenario, ancillary);
    });

    test('more data than one message takes is EMSGSIZE, with bytesSent', async (scenario) => {
      const [a] = await pair(scenario);
      const { bytesSent = 0 } = await rejectsWith<Error & { bytesSent?: number }>('EMSGSIZE', () =>
        a.sendAllWithAncillary([new Uint8Array(16_000_000)], {}),
      );
      assert.ok(bytesSent > 0 && bytesSent < 16_000_000, String(bytesSent));
    });

    test('reject invalid arguments', async (scenario) => {
      const [a, b] = await pair(scenario);
      await rejectsWith(BAD_RANGE, () => b.recvWithAncillary(-1, ROOM));
      await rejectsWith(BAD_RANGE, () => b.recvWithAncillary(8, -1));
      await rejectsWith(BAD_TYPE, () => b.recvWithAncillaryInto('x' as never, ROOM));
      await rejectsWith([BAD_TYPE, BAD_RANGE, 'EBADF'], () =>
        a.sendAllWithAncillary([bytes('x')], { fds: [-1] }),
      );
      await rejectsWith('EBADF', () => a.sendAllWithAncillary([bytes('x')], { fds: [1_000_000] }));
      await b.aclose();
      await rejectsWith(CLOSED, () => b.recvWithAncillary(8, ROOM));
    });

    test('a receive of no bytes does not wait', async (scenario) => {
      const [a, b] = await pair(scenario);
      await a.sendAll(bytes('x'));
      await b.recv(100);
      assert.equal((await b.recvWithAncillary(0, ROOM)).data.length, 0);
      assert.equal((await b.recvWithAncillaryInto(new Uint8Array(0), ROOM)).bytes, 0);
    });
  });

  if (lacks(subject, 'Unix datagrams')) return;
  defineSuite(runner, subject, 'control messages on Unix datagrams', (test) => {
    test('pass an fd from a transport to a listener', async (scenario) => {
      const { backend } = scenario;
      const listener = await UNIX_DATAGRAMS.listen(scenario);
      const path = localAddress(listener) as UnixPath;
      const transport = scenario.own(
        await backend.createUnixDatagramEndpoint(path, { localPath: scenario.freshPath() }),
      );
      await backend.createTaskGroup().run(async (group) => {
        const seen: string[] = [];
        group.startSoon(() =>
          listener.serveWithAncillary(async (data, ancillary, address) => {
            seen.push(text(data), readFileSync(receivedFd(scenario, ancillary ?? {}), 'latin1'));
            await listener.sendWithAncillaryTo(
              bytes('back'),
              { fds: [openFile(scenario, 'of the listener')] },
              address,
            );
          }, ROOM),
        );
        await transport.sendWithAncillary(bytes('there'), {
          fds: [openFile(scenario, 'of the transport')],
        });
        const { data, ancillary } = await transport.recvWithAncillary(ROOM);
        assert.equal(text(data), 'back');
        assert.equal(readFileSync(receivedFd(scenario, ancillary), 'latin1'), 'of the listener');
        await until(() => seen.length === 2, 'the listener has seen it');
        assert.deepEqual(seen, ['there', 'of the transport']);
        group.cancelScope.cancel();
      });
    });
  });
}
