import { describe, it } from 'vitest';
import { testWrapping } from '#lib/conformance/wrapping';
import { expectNoLeaks } from '../support/fds';
import { NATIVE_OFFERS } from './raw-sockets';
import { native } from './subjects';

expectNoLeaks();
testWrapping({ describe, it }, native, NATIVE_OFFERS);
