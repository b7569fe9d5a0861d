// Puts the Delta worker's Python package beside the built files, where the server looks for it.
import { cpSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join('backends', 'delta', 'worker');
cpSync(join(root, 'src', folder), join(root, 'dist', folder), {
  recursive: true,
  filter: (path) => basename(path) !== '__pycache__',
});
