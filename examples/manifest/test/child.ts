import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const command = ['--conditions=@apalis/source', main]

/** Runs the program to its end. */
export function start(...args: string[]) {
  return spawnSync(process.execPath, [...command, ...args], { encoding: 'utf8' })
}

/** The program while it runs. */
export interface Child extends AsyncDisposable {
  readonly process: ChildProcess
  /** Exit code and signal. */
  readonly ended: Promise<unknown[]>
  readonly stdout: string
  /** Waits for a line on standard error. */
  line(pattern: RegExp): Promise<void>
}

/** Starts the program. */
export function begin(...args: string[]): Child {
  const child = spawn(process.execPath, [...command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close')
  const lines = createInterface(child.stderr)[Symbol.asyncIterator]()
  let stdout = ''
  child.stdout.on('data', (text) => {
    stdout += text
  })
  return {
    process: child,
    ended,
    get stdout() {
      return stdout
    },
    async line(pattern) {
      for (let next = await lines.next(); next.done !== true; next = await lines.next()) {
        if (pattern.test(next.value)) return
      }
      assert.fail(`it ended without a line like ${pattern}`)
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
