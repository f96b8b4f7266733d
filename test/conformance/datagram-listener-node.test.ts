import { describe, it } from 'vitest';
import { UDP } from '#lib/conformance/datagram-kinds';
import { testDatagramListener } from '#lib/conformance/datagram-listener';
import { expectNoLeaks } from '../support/fds';
import { node } from './subjects';

expectNoLeaks();
testDatagramListener({ describe, it }, node, UDP);
