#pragma once
// Event files that TensorBoard draws: a run's figures per epoch.
//
// The layout is TensorFlow's. A file is a sequence of records (tensorflow/core/lib/io/record_writer.h): the
// length of the data in 8 bytes, its masked CRC-32C in 4, the data, and the data's masked CRC-32C in 4, all
// little-endian. The data is a protocol buffer Event (tensorflow/core/util/event.proto): wall_time = 1
// (double), step = 2 (int64), file_version = 3 (string), summary = 5; a Summary
// (tensorflow/core/framework/summary.proto) holds value = 1, and a value tag = 1 (string) and simple_value =
// 2 (float).

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "study/records.h"

namespace signet::study {

/// One record around `data`.
std::string tf_record(std::string_view data);

/// The record that begins an event file; times are in seconds since 1970.
std::string event_file_start(double wall_time);

/// The record of one step: an Event with a value for each of the named scalars that is a number.
std::string scalar_event(double wall_time, int64_t step,
                         std::span<const std::pair<std::string, double>> scalars);

/// Brings the event files of these epochs, below folder/tensorboard/<model>/fold<k>/{train,validation}/, to
/// where they hold each of the epochs once. `started` is the time the run was begun, as utc_now writes it;
/// the time of an epoch is that plus the seconds that the fold has taken so far. So a file is a function of
/// the records, and a run that was stopped goes on where its files end: what they hold already is left alone
/// (TensorBoard follows a file that grows, not one that is replaced). A file that holds something else is
/// written anew. Throws Error if a file cannot be written.
void write_event_files(const std::filesystem::path& folder, std::span<const EpochRecord> epochs,
                       const std::string& started);

}  // namespace signet::study
