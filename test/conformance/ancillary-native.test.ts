import { describe, it } from 'vitest';
import { testAncillaryData } from '#lib/conformance/ancillary';
import { expectNoLeaks } from '../support/fds';
import { native } from './subjects';
import { UNIX_DATAGRAMS } from './unix-datagrams';

expectNoLeaks();
testAncillaryData({ describe, it }, native, UNIX_DATAGRAMS);
