import { describe, it } from 'vitest';
import { STREAM_KINDS } from '#lib/conformance/stream-kinds';
import { testStreamTransport } from '#lib/conformance/stream-transport';
import { expectNoLeaks } from '../support/fds';
import { node } from './subjects';

expectNoLeaks();
for (const kind of STREAM_KINDS) testStreamTransport({ describe, it }, node, kind);
