import { describe, it } from 'vitest';
import { testConnecting } from '#lib/conformance/connecting';
import { expectNoLeaks } from '../support/fds';
import { fullUnix, hangingTcp } from './slow-listeners';
import { node } from './subjects';

expectNoLeaks();
testConnecting({ describe, it }, node, { fullUnix, hangingTcp });
