import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** A folder that is gone when the test ends. */
export interface TempFolder extends AsyncDisposable {
  readonly path: string
  /** Where `name` lies in it; a Buffer for names that are no text. */
  at(name: string): string
  at(name: Buffer): Buffer
  /** Writes a file, and the folders above it. */
  write(name: string | Buffer, content: string | Buffer): Promise<void>
}

/** Makes an empty folder. */
export async function tempFolder(): Promise<TempFolder> {
  const path = await mkdtemp(join(tmpdir(), 'apalis-manifest-'))
  function at(name: string): string
  function at(name: Buffer): Buffer
  function at(name: string | Buffer): string | Buffer {
    return typeof name === 'string'
      ? join(path, name)
      : Buffer.concat([Buffer.from(`${path}/`), name])
  }
  return {
    path,
    at,
    async write(name, content) {
      if (typeof name === 'string') await mkdir(dirname(at(name)), { recursive: true })
      await writeFile(typeof name === 'string' ? at(name) : at(name), content)
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}
