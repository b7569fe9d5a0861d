import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { runPython, testPython } from '../../support/python.ts';
import type { CleanupOwner } from '../../support/temp-folder.ts';

const serverSource = `
import json, sys, threading
from moto.server import ThreadedMotoServer
import boto3
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
boto3.client('s3', endpoint_url=f'http://{host}:{port}', aws_access_key_id='a', aws_secret_access_key='b', region_name='us-east-1').create_bucket(Bucket='lake')
print(json.dumps({'port': port}), flush=True)
sys.stdin.read()
`;

/** The `skip` option of a test that needs an S3-compatible server. */
export async function skipWithoutObjectStore(): Promise<string | false> {
  if (testPython === undefined) return 'no Python';
  const { code } = await runPython('import moto.server, boto3');
  return code === 0 ? false : 'moto is not among the test packages';
}

/** Starts an S3-compatible server with the bucket `lake`; returns its address. It ends with `owner`. */
export async function startObjectStore(owner: CleanupOwner): Promise<string> {
  const child = spawn(testPython ?? 'python3', ['-c', serverSource], { stdio: ['pipe', 'pipe', 'ignore'] });
  owner.after(() => {
    child.kill('SIGKILL');
  });
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('exit', (code) => reject(new Error(`the object store ended with ${code}`)));
  });
  const { port } = JSON.parse(line) as { port: number };
  return `http://127.0.0.1:${port}`;
}
