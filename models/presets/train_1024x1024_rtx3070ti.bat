@echo off
rem HRNet-W32 at 1024x1024 on an RTX 3070 Ti (8 GiB): batch 1, 8 micro-steps an update.
rem The data set is the folder Aariz, or the first argument.
cd /d "%~dp0..\.."
set DATASET=%~1
if "%DATASET%"=="" set DATASET=Aariz
snug train models/hrnet_w32.snug --vram 8GiB --dataset_path "%DATASET%" ^
    --image_size 1024 1024 --batch_size 1 --gradient_accumulation_steps 8 --epochs 200 ^
    --lr 3e-4 --warmup_epochs 10 --mixed_precision --use_ema --num_workers 2
pause
