import { describe, it } from 'vitest';
import { testResolving } from '#lib/testing/conformance/resolving';
import { expectNoLeaks } from '../support/fds';
import { node } from './subjects';

expectNoLeaks();
testResolving({ describe, it }, node);
