import { describe, it } from 'vitest';
import { testBackend } from '#lib/conformance/index';
import { expectNoLeaks } from '../support/fds';
import { node } from './subjects';

expectNoLeaks();
testBackend({ describe, it }, node);
