#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ipi/client.hpp"
#include "ipi/protocol.hpp"
#include "ipi/shared_memory.hpp"
#include "ipi/socket.hpp"

namespace mdbridge::ipi {

/// One conversation with one forcefield of i-PI. Answers what it can by itself, and collects the
/// positions that forces are wanted for.
class Connection {
 public:
  using Clock = std::chrono::steady_clock;

  Connection(Service service, std::int64_t atoms, const std::string& sockets_prefix);

  const Service& service() const { return service_; }
  /// As the user wrote it.
  const std::string& name() const { return service_.text; }
  /// Where it connects to, in words.
  const std::string& address() const { return endpoint_.description; }
  int descriptor() const { return socket_.descriptor(); }
  bool open() const { return socket_.is_open(); }
  /// i-PI has begun to work with this client.
  bool initialised() const { return initialised_; }
  /// i-PI said EXIT.
  bool finished() const { return finished_; }

  /// Try to connect; after a failure, wait longer before the next attempt.
  bool connect();
  Clock::time_point next_attempt() const { return next_attempt_; }
  const std::string& last_failure() const { return last_failure_; }
  /// What to do about it.
  std::string advice() const;
  void close() { socket_.close(); }
  /// Forget what was said, for another attempt.
  void reset();

  /// Read what has arrived, and answer it up to the next request for forces. Throws Error if it is
  /// not a message of the protocol.
  void receive();
  /// The structures that forces are wanted for; nothing if none are.
  const std::vector<Frame>* pending() const { return pending_ ? &*pending_ : nullptr; }
  /// Deliver them, and go on with what has arrived since.
  void deliver(std::vector<Result> results);
  /// How many requests for forces were answered.
  std::int64_t delivered() const { return delivered_; }
  /// True if a message stopped half-way, this many seconds ago or more.
  bool interrupted_for(double seconds) const;
  /// Says, for an error message, at which point the other side went away.
  std::string interruption() const;

 private:
  void answer_messages();
  void handle(const Message& message);
  void begin(const Init& init);
  void send_forces();

  Service service_;
  std::int64_t atoms_;
  Endpoint endpoint_;
  Socket socket_;
  MessageReader reader_;
  SharedSegments segments_;
  std::int32_t batch_ = 1;
  bool initialised_ = false;
  bool finished_ = false;
  std::optional<std::vector<Frame>> pending_;
  std::optional<std::vector<Result>> results_;
  std::int64_t delivered_ = 0;
  std::chrono::milliseconds patience_;
  Clock::time_point next_attempt_;
  Clock::time_point last_arrival_;
  std::string last_failure_;
};

}  // namespace mdbridge::ipi
