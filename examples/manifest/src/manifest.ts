import { type FileHandle, open, rename, rm } from 'node:fs/promises'

import type { Digest } from './digest.ts'
import type { FileName } from './names.ts'

/** One file in the manifest. */
export interface ManifestEntry extends FileName, Digest {}

/**
 * Writes a manifest: a JSON array with one entry a line, in the order in which they are added. It grows in a temporary
 * file, which takes its place at the end in one step: whoever reads there finds a whole one, the old or the new.
 */
export class ManifestWriter implements AsyncDisposable {
  readonly #output: string
  readonly #temporary: string
  readonly #file: FileHandle
  #separator = '[\n'

  private constructor(output: string, temporary: string, file: FileHandle) {
    this.#output = output
    this.#temporary = temporary
    this.#file = file
  }

  /** Begins the manifest that is to lie at `output`; it grows at `temporary`, in the place of whatever lies there. */
  static async open(output: string, temporary: string): Promise<ManifestWriter> {
    return new ManifestWriter(output, temporary, await open(temporary, 'w'))
  }

  /** Adds entries at the end. */
  async add(entries: readonly ManifestEntry[]): Promise<void> {
    let text = ''
    for (const entry of entries) {
      text += this.#separator + JSON.stringify(entry)
      this.#separator = ',\n'
    }
    await this.#file.appendFile(text)
  }

  /** Puts the manifest in its place, durably. */
  async commit(): Promise<void> {
    await this.#file.appendFile(this.#separator === ',\n' ? '\n]\n' : '[]\n')
    await this.#file.sync()
    await this.#file.close()
    await rename(this.#temporary, this.#output)
  }

  /** Leaves nothing behind but what was put in its place. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
    await rm(this.#temporary, { force: true })
  }
}
