import { describe, it } from 'vitest';
import { testResolving } from '#lib/conformance/resolving';
import { expectNoLeaks } from '../support/fds';
import { node } from './subjects';

expectNoLeaks();
testResolving({ describe, it }, node);
