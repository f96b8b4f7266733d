import { testAncillaryData } from './ancillary';
import { testConnecting } from './connecting';
import { UDP } from './datagram-kinds';
import { testDatagramLimits } from './datagram-limits';
import { testDatagramListener } from './datagram-listener';
import { testDatagramTransport } from './datagram-transport';
import { testExecutor } from './executor';
import { testFairness } from './fairness';
import { testGroups } from './groups';
import { testListening } from './listening';
import { testLocks } from './locks';
import { testResolving } from './resolving';
import { testRunning } from './running';
import { lacks } from './scenario';
import { testScopes } from './scopes';
import { testServeOptions } from './serve-options';
import { testDeadlines } from './deadlines';
import { STREAM_KINDS } from './stream-kinds';
import { STREAM_LISTENER_KINDS, testStreamListener } from './stream-listener';
import { testStreamTransport } from './stream-transport';
import type { ConformanceSubject, TestRunner } from './subject';
import { testTasks } from './tasks';
import { testThreads } from './threads';
import { testThreadsPortal } from './threads-portal';
import { UNIX_DATAGRAMS } from './unix-datagrams';
import { testWrapping } from './wrapping';

/**
 * Defines the tests that every backend has to pass: tasks, scopes, locks, threads, name look-ups,
 * and each kind of transport and listener, for each family of sockets that the subject has.
 *
 * The other ends of connections are sockets of node:net and node:dgram, so that the backend cannot
 * be wrong in the same way at both ends. Where Node.js has no such socket (Unix datagrams, a
 * listener with a full backlog) the other end is a process of `python3`, which has to be on PATH.
 * All traffic stays on the loopback interface.
 *
 * The call returns when the tests are defined. Each of them takes a backend of its own from
 * `subject.newBackend()`, runs as its root task, and closes what it opened; that also happens when
 * the test is cancelled or fails.
 *
 * ```ts
 * import { describe, it } from 'node:test';
 * import { constants } from 'sockscope';
 * import { testBackend } from 'sockscope/conformance';
 *
 * testBackend(
 *   { describe, it },
 *   { name: 'mine', constants, newBackend: () => new MyBackend(), lacks: ['ancillary data'] },
 * );
 * ```
 */
export function testBackend(runner: TestRunner, subject: ConformanceSubject): void {
  testRunning(runner, subject);
  testScopes(runner, subject);
  testDeadlines(runner, subject);
  testGroups(runner, subject);
  testTasks(runner, subject);
  testLocks(runner, subject);
  testFairness(runner, subject);
  testThreads(runner, subject);
  testThreadsPortal(runner, subject);
  testExecutor(runner, subject);
  testResolving(runner, subject);
  testConnecting(runner, subject);
  testListening(runner, subject);
  const hasUnixStreams = !lacks(subject, 'Unix streams');
  for (const kind of STREAM_KINDS)
    if (kind.family === 'inet' || hasUnixStreams) testStreamTransport(runner, subject, kind);
  for (const kind of STREAM_LISTENER_KINDS) {
    if (kind.family === 'unix' && !hasUnixStreams) continue;
    testStreamListener(runner, subject, kind);
    testServeOptions(runner, subject, kind);
  }
  for (const kind of [UDP, UNIX_DATAGRAMS]) {
    if (kind.family === 'unix' && lacks(subject, 'Unix datagrams')) continue;
    testDatagramTransport(runner, subject, kind);
    testDatagramListener(runner, subject, kind);
    testDatagramLimits(runner, subject, kind);
  }
  testAncillaryData(runner, subject);
  testWrapping(runner, subject);
}
