import { describe, it } from 'vitest';
import { testBackend } from '#lib/conformance/index';
import { expectNoLeaks } from '../support/fds';
import { native } from './subjects';

expectNoLeaks();
testBackend({ describe, it }, native);
