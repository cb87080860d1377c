import type { ErrorCode } from 'yaml'

/** What is wrong with a text, and at which character; {@link readYaml} makes the coded error of it. */
export class YamlFault extends Error {
  readonly offset: number
  readonly reason: string

  constructor(offset: number, reason: string) {
    super(reason)
    this.offset = offset
    this.reason = reason
  }
}

// The library's messages may quote the text, and with it a secret; these do not.
const reasons: { readonly [Code in ErrorCode]: string } = {
  ALIAS_PROPS: 'an alias',
  BAD_ALIAS: 'an alias',
  BAD_DIRECTIVE: 'a directive',
  BAD_DQ_ESCAPE: 'an escape in a quoted text is malformed',
  BAD_INDENT: 'the indentation does not fit what is above',
  BAD_PROP_ORDER: 'an anchor or tag in the wrong place',
  BAD_SCALAR_START: 'a text that begins with this character needs quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a key and a value more on the same line; a text with `: ` needs quotes',
  BLOCK_IN_FLOW: 'an indented block inside of brackets',
  DUPLICATE_KEY: 'a key occurs twice',
  IMPOSSIBLE: 'not YAML',
  KEY_OVER_1024_CHARS: 'a key is longer than 1,024 characters',
  MISSING_CHAR: 'a colon, comma, quote or bracket is missing',
  MULTILINE_IMPLICIT_KEY: 'a key stretches over lines; a colon may be missing',
  MULTIPLE_ANCHORS: 'an anchor',
  MULTIPLE_DOCS: 'a second document; one file holds one',
  MULTIPLE_TAGS: 'a tag',
  NON_STRING_KEY: 'a key is not text',
  RESOURCE_EXHAUSTION: 'nested too deep',
  TAB_AS_INDENT: 'a tab as indentation; use spaces',
  TAG_RESOLVE_FAILED: 'a tag',
  UNEXPECTED_TOKEN: 'something is here that does not belong here',
  BAD_COLLECTION_TYPE: 'a tag',
}

/** The fault of an error of the YAML library. */
export function faultOfCode(offset: number, code: ErrorCode): YamlFault {
  return new YamlFault(offset, reasons[code])
}
