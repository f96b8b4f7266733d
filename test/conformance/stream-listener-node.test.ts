import { describe, it } from 'vitest';
import { testListening } from '#lib/conformance/listening';
import { STREAM_LISTENER_KINDS, testStreamListener } from '#lib/conformance/stream-listener';
import { expectNoLeaks } from '../support/fds';
import { node } from './subjects';

expectNoLeaks();
for (const kind of STREAM_LISTENER_KINDS) testStreamListener({ describe, it }, node, kind);
testListening({ describe, it }, node);
