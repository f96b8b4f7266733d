import '../unit/socket/use-poll-reactor';
import { describe, it } from 'vitest';
import { UDP } from '#lib/conformance/datagram-kinds';
import { testDatagramTransport } from '#lib/conformance/datagram-transport';
import { STREAM_KINDS } from '#lib/conformance/stream-kinds';
import { STREAM_LISTENER_KINDS, testStreamListener } from '#lib/conformance/stream-listener';
import { testStreamTransport } from '#lib/conformance/stream-transport';
import { expectNoLeaks } from '../support/fds';
import { native } from './subjects';

/** The native backend on uv_poll_t alone, which is what platforms without epoll have. */
const poll = { ...native, name: 'native, by poll' };

expectNoLeaks();
for (const kind of STREAM_KINDS) testStreamTransport({ describe, it }, poll, kind);
for (const kind of STREAM_LISTENER_KINDS) testStreamListener({ describe, it }, poll, kind);
testDatagramTransport({ describe, it }, poll, UDP);
