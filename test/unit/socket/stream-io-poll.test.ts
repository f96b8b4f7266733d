import './use-poll-reactor';
import { streamSuite } from './stream-io-suite';

streamSuite();
