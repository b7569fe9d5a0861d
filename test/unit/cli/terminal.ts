import { runPythonJson } from '../../support/python.ts';
import { cleanEnvironment, mainPath } from './run-cli.ts';

const program = `
import json, os, pty, sys
# What would turn colour off by being there at all is not merely set to nothing.
for name in ("CI", "TEAMCITY_VERSION", "TF_BUILD"):
    os.environ.pop(name, None)
chunks = []
def read(fd):
    chunks.append(os.read(fd, 65536))
    return chunks[-1]
pty.spawn(sys.argv[1:], read, lambda fd: b'')
print('\\n' + json.dumps(b''.join(chunks).decode()))
`;

/** Runs a command on a pseudo-terminal, of so many columns or of no known width, and resolves with all that it wrote there. */
export function runOnTerminal(
  args: readonly string[],
  { columns = 0, env = {} }: { columns?: number; env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const sized = ['sh', '-c', `stty cols ${columns} && exec "$@"`, 'sh'];
  return runPythonJson<string>(program, [...sized, process.execPath, mainPath, ...args], {
    env: { ...cleanEnvironment(), TERM: 'xterm-256color', ...env },
  });
}
