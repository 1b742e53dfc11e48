// Feeds damaged conversations to the parser of the i-PI protocol, in pieces of any size. Compiled
// with AddressSanitizer by test_ipi_fuzz.py; the sanitizer is what finds fault. Deterministic.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "ipi/protocol.hpp"
#include "mdbridge/error.hpp"

using namespace mdbridge::ipi;  // NOLINT: the subject of this file

namespace {

constexpr std::int64_t atoms = 3;

template <typename T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

std::string init(const std::string& parameters) {
  std::string bytes = header("INIT");
  append(bytes, std::int32_t{0});
  append(bytes, static_cast<std::int32_t>(parameters.size()));
  return bytes + parameters;
}

std::string positions(int structures, bool batch) {
  std::string bytes = header("POSDATA");
  const std::string cells(structures * 18 * sizeof(double), '\1');
  const std::string coordinates(structures * 3 * atoms * sizeof(double), '\2');
  if (!batch) bytes += cells;
  append(bytes, static_cast<std::int32_t>(atoms));
  if (batch) bytes += cells;
  return bytes + coordinates;
}

std::string shared_positions() {
  std::string bytes = header("POSDATA");
  append(bytes, static_cast<std::int32_t>(atoms));
  for (int segment = 0; segment < 6; ++segment) {
    append(bytes, std::int32_t{4});
    bytes += "name";
  }
  return bytes;
}

std::string damaged(std::string bytes, std::mt19937& random) {
  const int changes = static_cast<int>(random() % 8);
  for (int c = 0; c < changes && !bytes.empty(); ++c) {
    const std::size_t place = random() % bytes.size();
    switch (random() % 5) {
      case 0:
        bytes[place] = static_cast<char>(random());
        break;
      case 1:
        bytes.erase(place, random() % 40);
        break;
      case 2:
        bytes.insert(place, std::string(random() % 40, static_cast<char>(random())));
        break;
      case 3:
        bytes.resize(place);
        break;
      case 4: {
        const std::int32_t extreme[] = {-1, 0, INT32_MAX, INT32_MIN, 1 << 20, (1 << 20) + 1};
        if (place + 4 <= bytes.size()) std::memcpy(&bytes[place], &extreme[random() % 6], 4);
      }
    }
  }
  return bytes;
}

/// Number of messages, or -1 if the parser refused.
int parse(const std::string& bytes, Transport transport, std::mt19937& random) {
  MessageReader reader(atoms, transport, "fuzz");
  int messages = 0;
  try {
    for (std::size_t place = 0; place < bytes.size();) {
      const std::size_t size = std::min<std::size_t>(1 + random() % 200, bytes.size() - place);
      reader.feed(bytes.data() + place, size);
      place += size;
      while (reader.next()) ++messages;
    }
    if (!reader.at_boundary() && reader.unfinished().empty()) std::abort();
  } catch (const mdbridge::Error& error) {
    if (std::strlen(error.what()) < 20) std::abort();
    return -1;
  }
  return messages;
}

}  // namespace

int main(int count, char** arguments) {
  const int rounds = count > 1 ? std::atoi(arguments[1]) : 10000;
  std::mt19937 random(1);
  const std::string end = header("GETFORCE") + header("STATUS") + header("EXIT");
  const std::string single = init("a:b") + positions(1, false) + end;
  const std::string batch = init("a:b, batch_size:2") + positions(2, true) + end;
  const std::string shared = init(" ") + shared_positions() + end;
  int refused = 0;
  int whole = 0;
  for (int round = 0; round < rounds; ++round) {
    for (const std::string* good : {&single, &batch, &shared}) {
      const auto transport = good == &shared ? Transport::shared_memory : Transport::stream;
      if (parse(*good, transport, random) != 5) return 1;
      const int messages = parse(damaged(*good, random), transport, random);
      (messages < 0 ? refused : whole) += 1;
    }
  }
  std::printf("%d refused, %d not\n", refused, whole);
  return refused > rounds && whole > 0 ? 0 : 1;
}
