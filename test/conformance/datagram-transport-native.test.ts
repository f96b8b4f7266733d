import { describe, it } from 'vitest';
import { UDP } from '#lib/conformance/datagram-kinds';
import { testDatagramTransport } from '#lib/conformance/datagram-transport';
import { expectNoLeaks } from '../support/fds';
import { native } from './subjects';
import { UNIX_DATAGRAMS } from './unix-datagrams';

expectNoLeaks();
testDatagramTransport({ describe, it }, native, UDP);
testDatagramTransport({ describe, it }, native, UNIX_DATAGRAMS);
