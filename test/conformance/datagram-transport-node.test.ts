import { describe, it } from 'vitest';
import { UDP } from '#lib/testing/conformance/datagram-kinds';
import { testDatagramTransport } from '#lib/testing/conformance/datagram-transport';
import { expectNoLeaks } from '../support/fds';
import { node } from './subjects';

expectNoLeaks();
testDatagramTransport({ describe, it }, node, UDP);
