import { describe, it } from 'vitest';
import { testResolving } from '#lib/testing/conformance/resolving';
import { expectNoLeaks } from '../support/fds';
import { native } from './subjects';

expectNoLeaks();
testResolving({ describe, it }, native);
