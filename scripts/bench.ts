// Runs the benchmarks, which keep their own lockfile: `npm run bench [-- ARGUMENT...]`.
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'

const bench = join(import.meta.dirname, '../bench')

function run(command: string, args: readonly string[], shell = false): void {
  const { status } = spawnSync(command, args, { cwd: bench, stdio: 'inherit', shell })
  if (status !== 0) process.exit(status ?? 1)
}

/** When a file was written; what is missing is older than everything. */
function writtenAt(file: string): number {
  return statSync(join(bench, file), { throwIfNoEntry: false })?.mtimeMs ?? 0
}

// Missing, or installed from an older lockfile.
if (writtenAt('node_modules/.package-lock.json') < writtenAt('package-lock.json')) {
  // Nothing here needs its install script, and npm before version 11 would compile a client that brings its binary.
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], process.platform === 'win32')
}
run(process.execPath, [
  '--expose-gc',
  '--conditions=@apalis/source',
  'src/main.ts',
  ...process.argv.slice(2),
])
