import * as core from '@apalis/core'
import * as testing from '@apalis/core/testing'

const entries: readonly object[] = [core, testing, core]
console.log(`${entries.length} done`)
