import { describe, it } from 'vitest';
import { UDP } from '#lib/conformance/datagram-kinds';
import { testDatagramListener } from '#lib/conformance/datagram-listener';
import { expectNoLeaks } from '../support/fds';
import { native } from './subjects';
import { UNIX_DATAGRAMS } from './unix-datagrams';

expectNoLeaks();
testDatagramListener({ describe, it }, native, UDP);
testDatagramListener({ describe, it }, native, UNIX_DATAGRAMS);
