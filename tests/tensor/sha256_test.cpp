#include "tensor/sha256.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

using signet::Sha256;
using signet::sha256_hex;

// Digests of the messages of FIPS 180-4's example computations and of the NIST CAVP byte-oriented short
// messages.
TEST_CASE("SHA-256 of the published messages") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex("\xd3") == "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1");
  CHECK(sha256_hex("\x11\xaf") == "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98");
  CHECK(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256_hex("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
                   "lmnopqrsmnopqrstnopqrstu") ==
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  CHECK(sha256_hex(std::string(1'000'000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("SHA-256 does not depend on how the message is cut into pieces") {
  std::string message;
  for (int i = 0; i < 300; ++i) message += char(i * 7);
  for (size_t length = 0; length <= message.size(); ++length) {
    const std::string whole = sha256_hex(message.substr(0, length));
    for (const size_t piece : {1u, 13u, 63u, 64u, 65u, 128u}) {
      Sha256 hash;
      for (size_t i = 0; i < length; i += piece) hash.update(message.substr(i, std::min(piece, length - i)));
      CHECK(hash.hex_digest() == whole);
    }
  }
}

TEST_CASE("SHA-256 gives its digest once") {
  Sha256 hash;
  hash.update("abc");
  hash.hex_digest();
  CHECK_THROWS_AS(hash.update("d"), std::logic_error);
  CHECK_THROWS_AS(hash.hex_digest(), std::logic_error);
}
