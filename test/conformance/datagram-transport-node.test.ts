import { describe, it } from 'vitest';
import { UDP } from '#lib/conformance/datagram-kinds';
import { testDatagramTransport } from '#lib/conformance/datagram-transport';
import { expectNoLeaks } from '../support/fds';
import { node } from './subjects';

expectNoLeaks();
testDatagramTransport({ describe, it }, node, UDP);
