import { describe, it } from 'vitest';
import { testResolving } from '#lib/conformance/resolving';
import { expectNoLeaks } from '../support/fds';
import { native } from './subjects';

expectNoLeaks();
testResolving({ describe, it }, native);
