import { cancelSuite } from './native-cancel-suite';

cancelSuite(10_000);
