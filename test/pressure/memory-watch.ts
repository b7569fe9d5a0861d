import { readdirSync, readFileSync } from 'node:fs';

/** Megabytes of a process: what it holds now and the most that it ever held. */
export interface ProcessMemory {
  readonly nowMb: number;
  readonly peakMb: number;
}

/** Reads the resident memory of a process from `/proc`. */
export function readProcessMemory(pid: number): ProcessMemory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const megabytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) / 1024;
  return { nowMb: megabytes('VmRSS'), peakMb: megabytes('VmHWM') };
}

/** Milliseconds of CPU time that the threads of a process have used; those that ended are left out. */
export function readCpuMs(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ', 1)[0]);
    } catch {
      // It ended meanwhile.
    }
  }
  return nanoseconds / 1e6;
}

/** Bytes that `arrowport_inflight_bytes` showed at most while a task ran, in megabytes. */
export async function watchInflight(url: string, task: Promise<unknown>): Promise<number> {
  let most = 0;
  let running = true;
  const settled = task.then(
    () => undefined,
    () => undefined,
  );
  void settled.then(() => {
    running = false;
  });
  while (running) {
    const text = await (await fetch(`${url}/metrics`)).text();
    const value = Number(/^arrowport_inflight_bytes (\S+)$/m.exec(text)?.[1] ?? 0);
    most = Math.max(most, value);
    await Promise.race([settled, new Promise((resolve) => setTimeout(resolve, 200))]);
  }
  return most / 2 ** 20;
}
