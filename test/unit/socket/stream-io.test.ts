import { streamSuite } from './stream-io-suite';

streamSuite();
